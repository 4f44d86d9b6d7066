const cloud = require('wx-server-sdk')

cloud.init({ env: cloud.DYNAMIC_CURRENT_ENV })

exports.main = async event => {
  switch (event.action) {
    case 'getWXACode': return getWXACode()
    case 'getOpenData': return cloud.getOpenData({ list: event.openData.list })
    default: return
  }
}

async function getWXACode () {
  const { contentType, buffer } = await cloud.openapi.wxacode.get({ path: 'pages/index/index' })
  return { contentType, size: buffer.length }
}
