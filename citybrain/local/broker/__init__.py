"""A one-node broker that speaks Kafka's protocol: durable, on 127.0.0.1 only, started with one command.

It exists so that a laptop runs the real data path without Java or containers. It is no cluster: one node, no
replicas, no transactions, no authentication. In production the same clients talk to Apache Kafka.
"""
