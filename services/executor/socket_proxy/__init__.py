"""What stands between an executor and the engine's socket: passes the few calls that sandboxes take, as they are made.

Whoever may say anything to an engine is root on its machine. With this process between, an executor that was taken over
can make, feed and remove sandboxes, as `docker_container` makes them, and nothing else.
"""
