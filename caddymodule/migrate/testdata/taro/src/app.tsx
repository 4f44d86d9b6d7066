import Taro from '@tarojs/taro'
Taro.cloud.init()
export default ({ children }: { children: unknown }) => children
