"""
The commands, a module each: it adds itself to the application, asks, and shows the answer.

Never in here: what two commands share (controller/cli/app.py), or an import that only the command's run needs.
"""
