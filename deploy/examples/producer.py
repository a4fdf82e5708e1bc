"""Log one pair for each decision: `producer.py 127.0.0.1:9092 pairs`."""

import json, random, sys, time
from kafka import KafkaProducer

producer = KafkaProducer(bootstrap_servers=sys.argv[1], value_serializer=lambda event: json.dumps(event).encode())
serving = {"red": 0.70, "green": 0.20, "blue": 0.10}  # q: the model that decides
candidate = {"red": 0.60, "green": 0.25, "blue": 0.15}  # p: the model that only scores
for _ in range(2000):
    x = random.choices(list(serving), serving.values())[0]  # drawn from q, not the likeliest one
    event = {"model": "colours", "version": "7", "ts": time.time(), "q": serving[x], "p": candidate[x]}
    producer.send(sys.argv[2], event)
producer.flush()
