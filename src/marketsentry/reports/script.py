"""The script of a report: read-out over the charts by pointer, touch or arrow keys; colour scheme; copying.

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
document.querySelectorAll(".chart").forEach(function(chart){
  var plot=chart.querySelector(".plot"),box=chart.querySelector(".readout");
  var cursor=chart.querySelector(".cursor");
  var data=JSON.parse(chart.querySelector("script").textContent),n=data.x.length,at=n-1;
  var line=cursor.querySelector("line"),dots=cursor.querySelectorAll("circle");
  function show(i){
    at=i;
    var x=data.x[i],title=document.createElement("b"),k=0;
    line.setAttribute("x1",x/10+"%");line.setAttribute("x2",x/10+"%");
    box.textContent="";title.textContent=data.at[i]+" UTC";box.appendChild(title);
    data.series.forEach(function(s){
      var v=s.values[i];
      row(box,s.label,shown(v,s.kind));
      if(!s.drawn)return;
      var dot=dots[k++];
      dot.style.display=v===null?"none":"";
      if(v!==null){dot.setAttribute("cx",x/10+"%");dot.setAttribute("cy",place(s,v))}
    });
    data.spans.forEach(function(s){
      if(x<s.from||x>s.to)return;
      var note=document.createElement("em");note.textContent=s.text;box.appendChild(note);
    });
    cursor.classList.add("on");box.hidden=false;
    var r=plot.getBoundingClientRect(),left=plot.offsetLeft||(r.left-chart.getBoundingClientRect().left);
    var px=left+r.width*x/1000,w=box.offsetWidth,room=chart.clientWidth;
    box.style.left=Math.max(0,Math.min(room-w,px+14+w>room?px-14-w:px+14))+"px";
  }
  function hide(){cursor.classList.remove("on");box.hidden=true}
  function nearest(x){
    var a=0,b=n-1;
    while(b-a>1){var m=(a+b)>>1;if(data.x[m]<x)a=m;else b=m}
    return x-data.x[a]<=data.x[b]-x?a:b;
  }
  plot.addEventListener("pointermove",function(e){
    var r=plot.getBoundingClientRect();
    show(nearest(Math.max(0,Math.min(1,(e.clientX-r.left)/r.width))*1000));
  });
  plot.addEventListener("pointerleave",hide);
  plot.addEventListener("blur",hide);
  plot.addEventListener("focus",function(){if(plot.matches(":focus-visible"))show(at)});
  plot.addEventListener("keydown",function(e){
    var step={ArrowLeft:-1,ArrowRight:1,PageUp:-50,PageDown:50,Home:-n,End:n}[e.key];
    if(e.key==="Escape"){hide();return}
    if(!step)return;
    e.preventDefault();show(Math.max(0,Math.min(n-1,at+step)));
  });
});
var root=document.documentElement,KEY="marketsentry-scheme",saved=null;
try{saved=localStorage.getItem(KEY)}catch(e){saved=null}
document.querySelectorAll(".switch input").forEach(function(input){
  if(saved===input.value){root.dataset.scheme=saved}
  input.checked=root.dataset.scheme===input.value;
  input.addEventListener("change",function(){
    root.dataset.scheme=input.value;
    try{localStorage.setItem(KEY,input.value)}catch(e){return}
  });
});
document.querySelectorAll(".command").forEach(function(box){
  var button=box.querySelector("button");
  if(!navigator.clipboard){button.hidden=true;return}
  button.addEventListener("click",function(){
    navigator.clipboard.writeText(box.querySelector("code").textContent).then(function(){button.textContent=button.dataset.done});
  });
});
})();
"""
