"""Reberth itself: controller, gate and node service, by their roles in one control loop (ARCHITECTURE.md)."""
