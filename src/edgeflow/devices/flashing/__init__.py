"""Writing the flash of boards through their ROM loader, with esptool as a program of its own."""
