// The function that the tests call: it does with wx-server-sdk what its event says, and answers what came of it.
//
//   version   of the SDK: 2, 3 or 4
//   method    such as getOpenData or openapi.cloudbase.getOpenData
//   args      its argument
//   together  waits until that many calls have come so far, so that they are sure to overlap
//   copy      sets the environment from the headers itself, as one would without the preload
'use strict'

const sdks = {}
for (const version of [2, 3, 4]) {
  sdks[version] = require(`wx-server-sdk-${version}`)
  sdks[version].init({ env: sdks[version].DYNAMIC_CURRENT_ENV })
}

exports.main = async (event, context) => {
  const cloud = sdks[event.version]
  if (event.copy) copyHeaders(context.httpContext.headers)
  if (event.together) await gathering(event.together)
  try {
    return { result: await call(cloud, event.method, event.args), context: cloud.getWXContext() }
  } catch (error) {
    return { error: { errCode: error.errCode, errMsg: error.errMsg }, context: cloud.getWXContext() }
  }
}

function call (cloud, method, args) {
  switch (method) {
    case 'database': return cloud.database().collection(args.collection).get()
    case 'getWXContext': return cloud.getWXContext()
  }
  const path = method.split('.')
  const name = path.pop()
  return path.reduce((object, member) => object[member], cloud)[name](args)
}

function copyHeaders (headers) {
  process.env.WX_OPENID = headers['x-wx-openid']
  process.env.WX_API_TOKEN = headers['x-wx-cloudbase-access-token']
}

let waiting = []

function gathering (size) {
  return new Promise(resolve => {
    waiting.push(resolve)
    if (waiting.length < size) return
    for (const go of waiting) go()
    waiting = []
  })
}
