"""Images for labs: built once, kept in .cache, pushed to the lab's registry."""
