const cloud = wx.cloud
Page({
  user: () => cloud.callFunction({ name: 'router', data: { $url: 'user' } })
})
