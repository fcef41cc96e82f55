"""The generated data set: a controlled experiment whose truth is known, written as ordinary encoded video files."""
