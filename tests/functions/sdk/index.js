// The function that the tests call: it does with wx-server-sdk what its event says, and answers what came of it.
//
//   version   of the SDK: 2.3, 2, 3 or 4
//   method    such as getOpenData or openapi.cloudbase.getOpenData
//   options   of cloud.openapi(options), such as appid
//   args      its argument, in which {"$buffer":"<base64>"} stands for a Buffer
//   together  waits until that many calls have come so far, so that they are sure to overlap
//   copy      sets the environment from the headers itself, as one would without the preload
'use strict'

const sdks = {}
for (const version of ['2.3', '2', '3', '4']) {
  sdks[version] = require(`wx-server-sdk-${version}`)
  sdks[version].init({ env: sdks[version].DYNAMIC_CURRENT_ENV })
}

exports.main = async (event, context) => {
  const cloud = sdks[event.version]
  if (event.copy) copyHeaders(context.httpContext.headers)
  if (event.together) await gathering(event.together)
  try {
    return { result: await call(cloud, event.method, buffers(event.args), event.options), context: cloud.getWXContext() }
  } catch (error) {
    return { error: { errCode: error.errCode, errMsg: error.errMsg }, context: cloud.getWXContext() }
  }
}

function call (cloud, method, args, options) {
  switch (method) {
    case 'database': return cloud.database().collection(args.collection).get()
    case 'getWXContext': return cloud.getWXContext()
  }
  const path = method.split('.')
  const name = path.pop()
  if (options) {
    path.shift() // openapi
    return path.reduce((object, member) => object[member], cloud.openapi(options))[name](args)
  }
  return path.reduce((object, member) => object[member], cloud)[name](args)
}

// buffers makes Buffers of what stands for them; in the answer JSON.stringify has its own form for them.
function buffers (value) {
  if (value === null || typeof value !== 'object') return value
  if (typeof value.$buffer === 'string') return Buffer.from(value.$buffer, 'base64')
  if (Array.isArray(value)) return value.map(buffers)
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, buffers(member)]))
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
