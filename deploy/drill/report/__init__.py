"""What a drill found: data, verdict, timeline, and a page."""
