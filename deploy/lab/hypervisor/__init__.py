"""The machine host of a lab in namespaces: plays the hypervisor and the shared storage."""
