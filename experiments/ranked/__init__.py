"""One network trained by several processes, each with a GPU or some cores, through Ray Train."""
