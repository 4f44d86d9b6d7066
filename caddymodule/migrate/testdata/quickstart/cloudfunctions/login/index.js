// The template's function: who the user is. cloud.database() is only mentioned here.
const cloud = require('wx-server-sdk')

cloud.init({ env: cloud.DYNAMIC_CURRENT_ENV })

exports.main = async (event, context) => {
  const wxContext = cloud.getWXContext()
  return { event, openid: wxContext.OPENID, appid: wxContext.APPID, unionid: wxContext.UNIONID }
}
