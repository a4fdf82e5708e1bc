"""The shell: Kafka in, Prometheus out. All state changes happen in one thread, the loop's."""
