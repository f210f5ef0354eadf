"""Attribution: how much each pixel counted for a number of a network, and whether that can be believed."""
