// One function for @cloudbase/functions-framework (main) and two for @google-cloud/functions-framework, by HTTP and by
// CloudEvent. Each answers with what it was given, as servers.cjs does.
'use strict'

const { writeFileSync } = require('node:fs')

exports.main = (event, context) => [['event', readable(event)], ['httpContext', context.httpContext]]

exports.http = (request, response) => {
  response.json([['body', readable(request.body)], ['query', request.query]])
}

// A CloudEvent's function cannot answer: what it was given is left in a file.
exports.event = event => {
  writeFileSync(process.env.SEEN, JSON.stringify([['data', readable(event.data)]]))
}

// A function that is given bytes or text reads it as JSON, if it can.
function readable (event) {
  if (!Buffer.isBuffer(event) && typeof event !== 'string') return event
  try { return JSON.parse(event.toString()) } catch { return event.toString() }
}
