"""
What documents show: pictures of the page `/ui`, and a recorded demo. ``make pictures`` makes them anew.

Nothing is drawn by hand: the page is the controller's own, on a storage in memory, in a real Chromium; the demo is
recorded from a terminal.
"""
