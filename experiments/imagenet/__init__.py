"""An answer for ImageNet without training: accuracies predicted from measured networks."""
