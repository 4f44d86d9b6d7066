// Koa, Express, Fastify, Hapi and plain Node.js, each as its documentation sets it up to read every body it can. Each answers
// with what it parsed: pairs of who read it and what was read. The first line of the output says where each listens.
'use strict'

const http = require('node:http')
const _ = require('lodash')

const listening = {}
const listen = (name, server) => new Promise(resolve => server.listen(0, '127.0.0.1', () => {
  listening[name] = server.address().port
  resolve()
}))

// What lodash reads of a body by the names of the gateway, as functions do that take a path.
function byPath (body) {
  const names = ['weRunData', 'phone', 'userInfo', 'weRunData.data', 'phone.data', 'userInfo.openId', 'weRunData[0]', 'userInfo["openId"]']
  return Object.fromEntries(names.map(name => [name, _.get(body, name)]))
}

function plain () {
  return http.createServer((request, response) => {
    const chunks = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const read = [['url', Object.fromEntries(new URL(request.url, 'http://x').searchParams)]]
      try {
        const body = JSON.parse(text)
        read.push(['JSON.parse', body], ['Object.assign', Object.assign({}, body)], ['lodash', byPath(body)])
      } catch {}
      // As the snippet does that everybody copies: by the type, or where there is none.
      const type = request.headers['content-type'] ?? ''
      if (type === '' || type.includes('form')) read.push(['URLSearchParams', Object.fromEntries(new URLSearchParams(text))])
      response.end(JSON.stringify(read))
    })
  })
}

function koa () {
  const Koa = require('koa')
  const app = new Koa()
  app.on('error', () => {})
  app.use(require('koa-bodyparser')({ enableTypes: ['json', 'form', 'text', 'xml'], parsedMethods: ['POST', 'PUT', 'PATCH', 'DELETE', 'GET', 'HEAD', 'OPTIONS'] }))
  app.use(context => {
    let text
    try { text = JSON.parse(context.request.rawBody) } catch {}
    context.body = JSON.stringify([['body', context.request.body], ['query', context.query], ['rawBody', text]])
  })
  return http.createServer(app.callback())
}

function express () {
  const express = require('express')
  const app = express()
  app.set('query parser', 'extended')
  app.use(express.json({ strict: false, type: ['json', '+json', 'text/plain', 'application/octet-stream', 'application/csp-report'] }))
  app.use(express.urlencoded({ extended: true }))
  app.use(require('multer')().none())
  app.use((request, response) => response.json([['body', request.body], ['query', request.query], ['lodash', byPath(request.body)], ['merged', { ...request.body, ...request.query }]]))
  app.use((error, request, response, next) => response.status(400).json([]))
  return http.createServer(app)
}

async function fastify () {
  const app = require('fastify')()
  app.register(require('@fastify/formbody'))
  app.register(require('@fastify/multipart'), { attachFieldsToBody: 'keyValues' })
  app.addContentTypeParser('*', { parseAs: 'string' }, (request, text, done) => {
    try { done(null, JSON.parse(text)) } catch { done(null, {}) }
  })
  for (const method of ['PROPFIND', 'REPORT', 'SEARCH']) app.addHttpMethod(method, { hasBody: true })
  app.all('/*', (request, reply) => reply.send([['body', request.body], ['query', request.query]]))
  await app.ready()
  return app.server
}

async function hapi () {
  const server = require('@hapi/hapi').server({ port: 0, host: '127.0.0.1' })
  server.route({
    method: '*',
    path: '/{any*}',
    options: { payload: { multipart: true, failAction: 'ignore' } },
    handler: request => [['payload', request.payload], ['query', request.query]]
  })
  await server.start()
  listening.hapi = server.info.port
}

(async () => {
  await listen('node', plain())
  await listen('koa', koa())
  await listen('express', express())
  await listen('fastify', await fastify())
  await hapi()
  console.log(JSON.stringify(listening))
})()
process.stdin.on('end', () => process.exit()).resume()
