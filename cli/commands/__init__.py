"""The commands, one module each, and the line that the front page says about them."""

COMMANDS = {
    "seed": "publish a directory under a name and serve it",
    "fetch": "make a dataset's version present here",
    "serve": "give what is held here to others",
    "tracker": "resolve names and introduce machines to each other",
    "ls": "list what is held here, or the tags of a name",
    "inspect": "show what a version is made of and who signed it",
    "plan": "say what a rollout of a version to your fleet will take",
    "verify": "compare a directory with the version it should hold",
    "cat": "write one file of a version to stdout",
    "rm": "remove a holding from this machine",
    "key": "make and show publisher keys; say which may sign a name",
    "trust": "pin whom to believe about a name",
    "config": "show every setting and where it comes from",
    "doctor": "check this machine, and say what to do about what is wrong",
    "demo": "run the whole thing on this machine, in under a minute",
}

NOT_YET = {
    "follow": "run swarm fetch NAME again when the newest is wanted, from cron or a systemd timer",
    "diff": "swarm inspect shows each of the two versions; swarm fetch --dry-run says what would have to come",
    "gc": "nothing is removed from a store so far",
}
"""Commands that people expect, and what to do as long as they are not built."""
