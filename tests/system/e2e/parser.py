"""What a function in Python sees of an event: a question on each line of the input, an answer on each of the output.

parsers_test.go has both."""

import base64
import json
import sys


def answer(question):
    keys = json.loads(question["info"])["keys"]
    event = event_in(base64.b64decode(question["body"]), question["place"])
    return {"keys": keys, "views": {"Python, json.loads": look(event, dict.fromkeys(keys + question["names"]))}}


def event_in(text, place):
    body = json.loads(text)
    if place == "whole":
        return body
    data = body.get("data") if isinstance(body, dict) else None
    if place == "data":
        return data
    try:
        return json.loads(data)
    except (TypeError, ValueError):
        return None  # a function that finds no event in the text does nothing


def look(event, names):
    if not isinstance(event, dict):
        return []
    return [[name, event[name]] for name in names if name in event]


for line in sys.stdin:
    try:
        told = answer(json.loads(line))
    except Exception as error:
        told = {"error": repr(error)}
    print(json.dumps(told), flush=True)
