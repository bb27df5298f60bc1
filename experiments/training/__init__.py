"""The parts of a training: schedule, optimizers, augmentation, averaging, one step, its state."""
