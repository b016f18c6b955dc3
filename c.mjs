import net from 'node:net';
const t=Date.now();
for (const [p,b] of [[19778,'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],[19778,''],[19779,'PROXY T']]) { const s=net.connect({port:p,host:'127.0.0.1',allowHalfOpen:true}); s.on('connect',()=>b&&s.write(Buffer.from(b,'latin1'))); s.on('data',()=>{}); s.on('error',e=>console.log(p,JSON.stringify(b),e.code)); s.on('close',()=>console.log(p,JSON.stringify(b),'close',Date.now()-t)); s.on('end',()=>console.log(p,'end',Date.now()-t)); }
setTimeout(()=>process.exit(),18000);
