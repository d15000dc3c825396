"""Drills of services as people run them, from Debian's packages: `make drill-services`. Not part of `make test`."""
