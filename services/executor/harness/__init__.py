"""What runs inside a sandbox: standard library only, the same for every backend.

`supervisor` is process 1 of the sandbox. It never runs the submission itself: it forks a `child` for that, asks the
kernel what the child uses, and reports. `zygote` makes sandboxes out of processes for the `process` backend.
Nothing in here knows what is expected of a submission.
"""
