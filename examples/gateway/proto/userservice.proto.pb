
∑
userservice.protouserservicekrpcext.proto"B
LoginReq
userName (	RuserName
password (	Rpassword"T
LoginRes
retCode (RretCode
retMsg (	RretMsg
userId (	RuserId"B
UpdateProfileReq
userId (	RuserId
mobile (	Rmobile"D
UpdateProfileRes
retCode (RretCode
retMsg (	RretMsg2•
UserService;
login.userservice.LoginReq.userservice.LoginRes"êµS
updateProfile.userservice.UpdateProfileReq.userservice.UpdateProfileRes"êµàµdB2
com.xxx.userservice.protoBUserServiceMetasPàbproto3