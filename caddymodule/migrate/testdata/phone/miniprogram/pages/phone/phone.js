Page({
  onGetPhoneNumber ({ detail }) {
    if (detail.code) return wx.cloud.callFunction({ name: 'byCode', data: { code: detail.code } })
    return wx.cloud.callFunction({ name: 'byCloudID', data: { cloudID: detail.cloudID } })
  }
})
