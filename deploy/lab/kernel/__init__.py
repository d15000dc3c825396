"""What a lab asks of this machine's kernel: loop devices, cgroups, networks, processes."""
