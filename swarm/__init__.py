"""swarm: peer-to-peer replication of datasets between S3 and fleets of machines."""

__version__ = "0.1.0"
