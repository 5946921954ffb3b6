"""The script of a report: read-out over the charts by pointer, touch or arrow keys; zoom; colour scheme; copying;
unfolding for print.

The page is complete without it.
"""

SCRIPT = """
(function(){
"use strict";
var MISSING="\\u2014",MINUS="\\u2212";
function grouped(v,digits){
  return Math.abs(v).toLocaleString("en-US",{minimumFractionDigits:digits,maximumFractionDigits:digits});
}
function shown(v,kind){
  if(v===null)return MISSING;
  if(kind==="price"){
    var digits=v?Math.min(Math.max(5-Math.floor(Math.log10(Math.abs(v))),2),12):0;
    return(v<0?MINUS:"")+grouped(v,digits);
  }
  if(kind==="number")return(v<0?MINUS:"")+grouped(v,2);
  if(kind==="money")return(v<0?MINUS:"")+grouped(v,Math.abs(v)>=1000?0:2);
  return(v<0?MINUS:kind==="signed"&&v>0?"+":"")+grouped(v*100,2)+"%";
}
function row(box,label,value){
  var line=document.createElement("span"),name=document.createElement("i");
  name.textContent=label;line.appendChild(name);line.appendChild(document.createTextNode(value));box.appendChild(line);
}
function place(s,v){
  var f=s.log?Math.log(v/s.low)/Math.log(s.high/s.low):(v-s.low)/(s.high-s.low);
  return s.top+s.height*(1-f);
}
document.querySelectorAll(".chart:not(.plain-chart)").forEach(function(chart){
  var plot=chart.querySelector(".plot"),box=chart.querySelector(".readout");
  var cursor=chart.querySelector(".cursor");
  var data=JSON.parse(chart.querySelector("script").textContent),n=data.x.length,at=n-1;
  var line=cursor.querySelector("line"),dots=cursor.querySelectorAll("circle"),from=0,to=1000,grabbed=null;
  var movable=[];
  plot.querySelectorAll(".band rect,.band line,.band text,.time line,.time text,.mark").forEach(function(node){
    ["x","x1","x2"].forEach(function(name){
      var v=node.getAttribute(name);
      if(!v||v.slice(-1)!=="%")return;
      movable.push({node:node,name:name,at:parseFloat(v)*10,wide:parseFloat(node.getAttribute("width")||0)*10});
    });
  });
  function across(x){return(x-from)/(to-from)*100}
  function zoom(a,b){
    from=a;to=b;
    plot.querySelectorAll(".curves").forEach(function(c){
      c.setAttribute("viewBox",a+" 0 "+(b-a)+" "+c.getAttribute("height"));
    });
    movable.forEach(function(m){
      var x=across(m.at);
      if(m.node.tagName==="rect"){
        var left=Math.max(0,x),right=Math.min(100,across(m.at+m.wide));
        m.node.setAttribute("x",left+"%");m.node.setAttribute("width",Math.max(0,right-left)+"%");
        return;
      }
      m.node.setAttribute(m.name,x+"%");
      m.node.style.visibility=x<-0.01||x>100.01?"hidden":"";
    });
    plot.querySelectorAll(".zoomed").forEach(function(node){node.remove()});
    var whole=a<=0&&b>=1000,below=plot.querySelector(".time text");
    plot.querySelectorAll(".time").forEach(function(node){node.style.display=whole?"":"none"});
    if(whole||!below)return;
    for(var k=0;k<5;k++){
      var i=nearest(a+(b-a)*(k+.5)/5),label=below.cloneNode();
      label.textContent=data.at[i].slice(5);label.setAttribute("x",across(data.x[i])+"%");label.style.visibility="";
      var group=below.parentNode.cloneNode();
      group.setAttribute("class","time zoomed");group.style.display="";group.appendChild(label);plot.appendChild(group);
    }
  }
  function show(i){
    at=i;
    var x=data.x[i],title=document.createElement("b"),k=0;
    var place100=across(x);
    line.setAttribute("x1",place100+"%");line.setAttribute("x2",place100+"%");
    box.textContent="";title.textContent=data.at[i]+" UTC";box.appendChild(title);
    data.series.forEach(function(s){
      var v=s.values[i];
      row(box,s.label,shown(v,s.kind));
      if(!s.drawn)return;
      var dot=dots[k++];
      dot.style.display=v===null?"none":"";
      if(v!==null){dot.setAttribute("cx",place100+"%");dot.setAttribute("cy",place(s,v))}
    });
    data.spans.forEach(function(s){
      if(x<s.from||x>s.to)return;
      var note=document.createElement("em");note.textContent=s.text;box.appendChild(note);
    });
    cursor.classList.add("on");box.hidden=false;
    var r=plot.getBoundingClientRect(),left=plot.offsetLeft||(r.left-chart.getBoundingClientRect().left);
    var px=left+r.width*place100/100,w=box.offsetWidth,room=chart.clientWidth;
    box.style.left=Math.max(0,Math.min(room-w,px+14+w>room?px-14-w:px+14))+"px";
  }
  function hide(){cursor.classList.remove("on");box.hidden=true}
  function nearest(x){
    var a=0,b=n-1;
    while(b-a>1){var m=(a+b)>>1;if(data.x[m]<x)a=m;else b=m}
    return x-data.x[a]<=data.x[b]-x?a:b;
  }
  function under(e){
    var r=plot.getBoundingClientRect();
    return from+(to-from)*Math.max(0,Math.min(1,(e.clientX-r.left)/r.width));
  }
  plot.addEventListener("pointermove",function(e){show(nearest(under(e)))});
  plot.addEventListener("pointerdown",function(e){if(e.pointerType==="mouse"&&e.button===0)grabbed=under(e)});
  plot.addEventListener("pointerup",function(e){
    var a=grabbed,b=under(e);grabbed=null;
    if(a!==null&&Math.abs(a-b)>(to-from)*.02)zoom(Math.min(a,b),Math.max(a,b));
  });
  plot.addEventListener("dblclick",function(){zoom(0,1000)});
  plot.addEventListener("pointerleave",hide);
  plot.addEventListener("blur",hide);
  plot.addEventListener("focus",function(){if(plot.matches(":focus-visible"))show(at)});
  plot.addEventListener("keydown",function(e){
    var step={ArrowLeft:-1,ArrowRight:1,PageUp:-50,PageDown:50,Home:-n,End:n}[e.key];
    if(e.key==="Escape"){hide();zoom(0,1000);return}
    if(e.key==="+"||e.key==="-"){
      var half=(to-from)*(e.key==="+"?.25:1),a=Math.max(0,Math.min(1000-2*half,data.x[at]-half));
      e.preventDefault();zoom(Math.max(0,a),Math.min(1000,Math.max(0,a)+2*half));show(at);return;
    }
    if(!step)return;
    e.preventDefault();show(Math.max(0,Math.min(n-1,at+step)));
  });
});
var root=document.documentElement,KEY="marketsentry-scheme",saved=null;
try{saved=localStorage.getItem(KEY)}catch(e){saved=null}
document.querySelectorAll("input[name=scheme]").forEach(function(input){
  if(saved===input.value){root.dataset.scheme=saved}
  input.checked=root.dataset.scheme===input.value;
  input.addEventListener("change",function(){
    root.dataset.scheme=input.value;
    try{localStorage.setItem(KEY,input.value)}catch(e){return}
  });
});
var folded=[];
addEventListener("beforeprint",function(){
  folded=Array.from(document.querySelectorAll("details:not([open])"));
  folded.forEach(function(one){one.open=true});
});
addEventListener("afterprint",function(){folded.forEach(function(one){one.open=false})});
document.querySelectorAll(".command").forEach(function(box){
  var button=box.querySelector("button");
  if(!navigator.clipboard){button.hidden=true;return}
  button.addEventListener("click",function(){
    navigator.clipboard.writeText(box.querySelector("code").textContent).then(function(){button.textContent=button.dataset.done});
  });
});
})();
"""
