"""What is made for a release beside the image: so far the list of what is in it (SBOM). Knows no lab and no swarm."""
