"""Storage systems that take longer than `make test` has: `make drill-storage`."""
