"""Flask and plain Python. Each answers with pairs: who read it and what was read.

The first line of the output says where each listens.
"""

import http.server
import json
import sys
import threading
import urllib.parse

import flask
import werkzeug.serving

app = flask.Flask(__name__)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "CONNECT"]


@app.route("/", defaults={"path": ""}, methods=METHODS, provide_automatic_options=False)
@app.route("/<path:path>", methods=METHODS, provide_automatic_options=False)
def index(path):
    request = flask.request
    form = request.form.to_dict()  # before the data, which reads the same stream
    return flask.jsonify([
        ["form", form],
        ["args", request.args.to_dict()],
        ["values", request.values.to_dict()],
        ["get_json", request.get_json(silent=True)],
        ["get_json, force", request.get_json(force=True, silent=True)],
    ])


class Plain(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        read = [["query", dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))]]
        try:
            read.append(["json.loads", json.loads(body)])
        except ValueError:
            pass
        kind = self.headers.get("Content-Type") or ""
        if kind == "" or "form" in kind:
            read.append(["parse_qsl", dict(urllib.parse.parse_qsl(body.decode(errors="replace")))])
        text = json.dumps(read).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def log_message(self, *args):
        pass

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)


class Quiet(werkzeug.serving.WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *args):
        pass


servers = {
    "flask": werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet),
    "python": http.server.ThreadingHTTPServer(("127.0.0.1", 0), Plain),
}
for server in servers.values():
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({name: server.server_address[1] for name, server in servers.items()}), flush=True)
sys.stdin.read()  # the test ends it
