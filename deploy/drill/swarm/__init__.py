"""The lab's Swarm as a drill sees it: stacks, tasks, logs, and the controller's answers."""
