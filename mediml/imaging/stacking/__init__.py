"""From the headers of many slices to one regular grid: what belongs together, in which order, how far apart."""
