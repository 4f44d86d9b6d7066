// A plain http server for the tests of the preload: it answers what process.env holds at several points of a request's
// life. It listens on a free port of 127.0.0.1 and prints it.
'use strict'

const http = require('node:http')

let waiting = []

const server = http.createServer((request, response) => {
  const seen = { start: snapshot() }
  request.on('data', () => { seen.data = snapshot() })
  request.on('end', async () => {
    seen.end = snapshot()
    process.env.WX_APPID = `written by ${process.env.WX_OPENID}`
    await gathering(Number(request.headers['x-together'] ?? 1))
    seen.late = snapshot()
    seen.written = process.env.WX_APPID
    delete process.env.WX_OPENID
    seen.deleted = process.env.WX_OPENID ?? null
    seen.listed = Object.keys(process.env).filter(name => name.startsWith('WX_')).sort()
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify(seen))
  })
})

function snapshot () {
  return { openid: process.env.WX_OPENID ?? null, token: process.env.WX_API_TOKEN ?? null, has: 'WX_OPENID' in process.env, home: process.env.CLOUDID_TEST }
}

function gathering (size) {
  return new Promise(resolve => {
    waiting.push(resolve)
    if (waiting.length < size) return
    for (const go of waiting) go()
    waiting = []
  })
}

server.listen(0, '127.0.0.1', () => console.log(server.address().port))
