"""
What people and programs only look at: moves of the past, plans for what may come, the objects over HTTP, one page.

Never in here: anything that changes something.
"""
