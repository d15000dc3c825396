"""Debian's packages for labs and images, and keeping their services from starting."""
