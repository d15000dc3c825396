"""All checks. Pure."""

from controller.doctor import managers, nodes, services, standing, storage

CHECKS = (*managers.CHECKS, *nodes.CHECKS, *services.CHECKS, *storage.CHECKS, *standing.CHECKS)
