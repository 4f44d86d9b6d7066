const cloud = require('wx-server-sdk')
const TcbRouter = require('tcb-router')

cloud.init()

exports.main = async event => {
  const app = new TcbRouter({ event })
  app.use(async (ctx, next) => {
    ctx.data = { openid: cloud.getWXContext().OPENID }
    await next()
  })
  app.router('user', async ctx => { ctx.body = { code: 0, data: ctx.data } })
  return app.serve()
}
