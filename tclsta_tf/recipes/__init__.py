"""The steps of a run: each takes a `Run`, leaves its result in the working folder and can be repeated safely."""
