export const call = (name: string) => wx.cloud.callFunction({ name })
