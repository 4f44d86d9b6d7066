// Returns what it was given: the event, and who calls.
exports.main = async (event, context) => {
  const headers = context.httpContext.headers
  return { event, openid: headers['x-wx-openid'], openData: JSON.parse(headers['x-wx-open-data-info']).keys }
}
