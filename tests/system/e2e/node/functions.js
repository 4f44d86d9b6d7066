// One function in the forms of two frameworks. It answers what it was given: the event, the bytes of the body where the
// framework hands them out, the headers.
'use strict'

// For @cloudbase/functions-framework. It parses a body of type application/json; of a type such as application/x+json, the
// event is the body's bytes.
exports.main = (event, context) => ({
  event: Buffer.isBuffer(event) ? null : event,
  raw: Buffer.isBuffer(event) ? event.toString() : null,
  headers: context.httpContext.headers,
  extendedContext: context.extendedContext
})

// For @google-cloud/functions-framework.
exports.http = (request, response) => {
  response.json({ event: request.body, raw: request.rawBody.toString(), headers: request.headers })
}
