"""All checks. Pure."""

from controller.doctor import managers, nodes, services, storage

CHECKS = (*managers.CHECKS, *nodes.CHECKS, *services.CHECKS, *storage.CHECKS)
