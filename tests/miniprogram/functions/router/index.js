// A function with several routes, as written with tcb-router.
const TcbRouter = require('tcb-router')

exports.main = event => {
  const app = new TcbRouter({ event })
  app.use(async (ctx, next) => {
    ctx.data = {}
    await next()
  })
  app.router(['user', 'timer'], async (ctx, next) => {
    ctx.data.company = 'Tencent'
    await next()
  })
  app.router('user', async ctx => {
    ctx.body = { code: 0, data: { ...ctx.data, name: event.name } }
  })
  app.router('timer', async ctx => {
    ctx.body = { code: 0, data: { ...ctx.data, at: event.at } }
  })
  return app.serve()
}
