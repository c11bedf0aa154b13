"""What the program tells about itself: logs now, metrics later.

Nothing here decides anything, and nothing here may import another part of the program.
"""
