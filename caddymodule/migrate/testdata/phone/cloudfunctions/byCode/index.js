const cloud = require('wx-server-sdk')

cloud.init()

exports.main = async event => {
  const { phoneInfo } = await cloud.openapi.phonenumber.getPhoneNumber({ code: event.code })
  return phoneInfo.phoneNumber
}
