"""Files that bring a command to many machines: for Slurm, for `ray up` and for KubeRay."""
